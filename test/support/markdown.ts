// The code blocks of a Markdown file, as programs. What a block needs besides itself stands in comments before
// it, which no reader of the page sees; the first word says what it is:
//
//   <!-- test: before        code that goes before the block's own
//   ...  -->
//   <!-- test: after         code that goes after it: checks
//   ...  -->
//   <!-- test: prints        what the program prints
//   ...  -->
//   <!-- test: output -->    what the program before it prints, for the reader to see as well
//   <!-- test: beside -->    not a program of its own: a file beside the block before it; in C, a program that
//                            is compiled there
//   <!-- test: run -->       commands that are run, beside the block before them if they are told to be
//
// A first line `// name.ts` is the file's name.

export interface Block {
  /** The line that it begins at, from 1. */
  line: number;
  language: string;
  /** Its file, without the ending. */
  name: string;
  code: string;
  before: string;
  after: string;
  prints: string | undefined;
  isBeside: boolean;
  /** Of commands: whether they are run. */
  isRun: boolean;
}

const KINDS = ['before', 'after', 'prints', 'output', 'beside', 'run'];
// Comments that only white space parts from the block, then the block.
const BLOCK = /((?:^<!--(?:(?!-->)[\s\S])*-->\n+)*)^```([a-z]*)\n((?:(?!```)[^\n]*\n)*)^```$/gm;
const COMMENT = /<!-- test:([\s\S]*?)-->/g;
const NAME = /^\/\/ (\S+)\.(?:ts|js|c)$/m;

export function blocksOf(markdown: string): Block[] {
  /** The last one that prints. */
  let program: Block | undefined;
  return [...markdown.matchAll(BLOCK)].map((match) => {
    const [, comments = '', language = '', code = ''] = match;
    const told = new Map<string, string>();
    for (const [, comment = ''] of comments.matchAll(COMMENT)) {
      const [first = '', ...rest] = comment.split('\n');
      const kind = first.trim();
      if (!KINDS.includes(kind) || told.has(kind)) throw new Error(`not for a block: ${comment}`);
      told.set(kind, rest.join('\n'));
    }
    const block: Block = {
      line: markdown.slice(0, match.index + comments.length).split('\n').length,
      language,
      name: NAME.exec(code.split('\n', 1)[0] ?? '')?.[1] ?? 'block',
      code,
      before: told.get('before') ?? '',
      after: told.get('after') ?? '',
      prints: told.get('prints'),
      isBeside: told.has('beside'),
      isRun: told.has('run'),
    };
    if (told.has('output')) {
      if (program === undefined) throw new Error(`no program before line ${block.line}`);
      program.prints = code;
    }
    const isProgram = block.isRun || ((language === 'ts' || language === 'js') && !block.isBeside);
    if (isProgram) program = block;
    return block;
  });
}
