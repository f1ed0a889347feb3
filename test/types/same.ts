// For the tests of types.

/** Both the same type, not only assignable: `any` is the same as nothing else. */
export type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
export function is<A, B>(_: Same<A, B> extends true ? A : never): void {}
