// One line of the doctor's report.

type Status = 'ok' | 'limited' | 'no';

interface Outcome {
  status: Status;
  /** What was found. */
  found: string;
  /** What that means for a program. */
  means: string;
  /** The same as numbers, where there are any. */
  values?: Record<string, number | string>;
}

export interface Check {
  name: string;
  /** Without it the package does not do what it promises. */
  needed?: boolean;
  look(): Outcome | Promise<Outcome>;
}

export interface Line extends Outcome {
  name: string;
  needed: boolean;
}

/** A check that throws has found that it is not there. */
export async function lookAt({ name, needed = false, look }: Check): Promise<Line> {
  try {
    return { name, needed, ...(await look()) };
  } catch (error) {
    const [found = ''] = (error as Error).message.split('\n');
    return { name, needed, status: 'no', found, means: 'could not be found out, or is not there' };
  }
}
