// The ways in which a process ends, but for the one in which it has nothing more to do.

export const ENDINGS: Record<string, () => void> = {
  exit: () => process.exit(7),
  abort: () => process.abort(),
  throw: () => {
    throw new Error('on purpose');
  },
  reject: () => void Promise.reject(new Error('on purpose')),
  SIGTERM: () => process.kill(process.pid, 'SIGTERM'),
  SIGKILL: () => process.kill(process.pid, 'SIGKILL'),
};
