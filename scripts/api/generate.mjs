// Writes one Markdown page for each entry point of the package into the directory that is given. Run by
// scripts/docs-api.mjs.
import { resolve } from 'node:path';
import { Application, Converter, DeclarationReflection, ReflectionKind } from 'typedoc';

const FILES = ['index', 'posix', 'sync', 'channel'];
const ORDER = ['Functions', 'Classes', 'Interfaces', 'Type Aliases', 'Enumerations', 'Variables'];

const here = import.meta.dirname;
const app = await Application.bootstrapWithPlugins({
  plugin: ['typedoc-plugin-markdown'],
  tsconfig: resolve(here, 'tsconfig.json'),
  entryPoints: FILES.map((file) => resolve(here, '../../src', `${file}.ts`)),
  out: process.argv[2],
  name: 'API',
  readme: 'none',
  router: 'module',
  disableSources: true,
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  sort: ['source-order'],
  groupOrder: ORDER,
  treatWarningsAsErrors: true,
  validation: { notDocumented: true, notExported: true, invalidLink: true },
  intentionallyNotDocumented: [
    'index.Mapping.windows.__type.view',
    'index.Mapping.windows.__type.byteOffset',
    'index.Mapping.residency.__type.pages',
    'index.Mapping.residency.__type.resident',
    'index.Mapping.residency.__type.map',
  ],
  requiredToBeDocumented: [
    'Class',
    'Interface',
    'Function',
    'Method',
    'Accessor',
    'Property',
    'Enum',
  ],
  hidePageHeader: true,
  hidePageTitle: true,
  hideBreadcrumbs: true,
  hideGroupHeadings: true,
  expandObjects: true,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  enumMembersFormat: 'table',
  logLevel: 'Warn',
});

// What a class has of its base stands there. The flat names of the enums' members are told of in a sentence.
app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
  const members = new Set(
    project
      .getReflectionsByKind(ReflectionKind.EnumMember)
      .map(({ parent, name }) => `${parent.name}_${name}`),
  );
  for (const reflection of Object.values(project.reflections)) {
    if (!(reflection instanceof DeclarationReflection)) continue;
    const isFlatName = reflection.kind === ReflectionKind.Variable && members.has(reflection.name);
    if (reflection.inheritedFrom || isFlatName) project.removeReflection(reflection);
  }
});

const project = await app.convert();
if (project === undefined) process.exit(1);
app.validate(project);
// What is called has an example. Test/examples-api.test.ts runs them.
for (const signature of project.getReflectionsByKind(ReflectionKind.CallSignature)) {
  const isEvent = /^(?:on|once|off|__type|\[\w+\])$/.test(signature.name);
  const hasExample = signature.comment?.blockTags.some(({ tag }) => tag === '@example');
  if (!isEvent && !hasExample) app.logger.warn(`${signature.getFullName()} has no example`);
}
await app.generateOutputs(project);
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exit(1);
