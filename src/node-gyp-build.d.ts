// It has no declarations of its own.
declare module 'node-gyp-build/node-gyp-build.js' {
  /** The path of the package's binary for this machine. @throws Error where there is none */
  export function resolve(folder: string): string;
}
