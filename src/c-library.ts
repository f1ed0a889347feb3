// Which C library this process runs on: a binary that was made for another one cannot be loaded.
import { readdirSync } from 'node:fs';

function hasMusl(): boolean {
  try {
    return readdirSync('/lib').some((name) => name.startsWith('ld-musl-'));
  } catch {
    return false;
  }
}

/** `glibc 2.36`, `musl`, or `an unknown C library`. Slow: for reports and errors. */
export function cLibrary(): string {
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean };
  const { excludeNetwork } = report ?? {};
  try {
    report.excludeNetwork = true; // otherwise it asks for the name of each peer
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
    if (header?.glibcVersionRuntime) return `glibc ${header.glibcVersionRuntime}`;
  } catch {
    // A runtime without reports.
  } finally {
    if (excludeNetwork !== undefined) report.excludeNetwork = excludeNetwork;
  }
  return hasMusl() ? 'musl' : 'an unknown C library';
}
