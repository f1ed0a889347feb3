// The results that the documentation shows: where they are kept, and how one looks something up in them.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** What is shown; and where a run goes of which nothing is kept. */
export const shown = fileURLToPath(new URL('../docs/performance/', import.meta.url));
export const tried = fileURLToPath(new URL('../out/bench/performance/', import.meta.url));
export const resultsFile = (folder) => `${folder}results.json`;
export const read = (folder) => JSON.parse(readFileSync(resultsFile(folder), 'utf8'));

export const figuresOf = (results) =>
  Object.values(results.groups).flatMap(({ figures }) => figures);
export const NO_FIGURE = 'ERR_NO_FIGURE';
export function find(results, id) {
  const found = figuresOf(results).find((figure) => figure.id === id);
  if (!found) {
    const message = `no figure ${id} in the results: run the whole benchmark`;
    throw Object.assign(new Error(message), { code: NO_FIGURE });
  }
  return found;
}
export const caseOf = (figure, name) => figure.results.find((result) => result.name === name);
/** The figures that differ in one size only, by the beginning of their ids. */
export const familyOf = (figures, start) =>
  figures.filter(({ id, x }) => x !== undefined && id.startsWith(`${start} `));
export const short = (number) =>
  number >= 100 ? Math.round(number).toLocaleString('en') : `${Number(number.toPrecision(3))}`;
