// What a call told its caller, in a line: 'EIO msync', 'ERR_MAPPING_POISONED EIO', 'ERR_MAPPING_FAULT with faults'.

interface Thrown {
  code?: string;
  syscall?: string;
  faults?: unknown[];
  cause?: { code?: string };
}

const told = ({ code, syscall, faults, cause }: Thrown): string => {
  const parts = [code, syscall, faults && 'with faults', cause?.code];
  return parts.filter((part) => part !== undefined).join(' ');
};

export const rejected = (promise: Promise<unknown>): Promise<string> =>
  promise.then(() => 'resolved', told);

export function thrown(call: () => unknown): string {
  try {
    call();
    return 'nothing';
  } catch (error) {
    return told(error as Thrown);
  }
}
