// The reference of the packages, made by TypeDoc from the comments in their sources, and its problems: an undocumented
// name, a link that leads nowhere, a type in a signature that no entry exports.
import { existsSync, readFileSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { Application, Logger, LogLevel, ReflectionKind, TSConfigReader } from "typedoc"

/** Kinds of names that have to be documented. Parameters are described by their function. */
const KINDS = ["Variable", "Function", "Class", "Interface", "Property", "Method", "Accessor", "TypeAlias"]

/**
 * Writes the reference of the packages of `root` to the folder `out`; returns how many names it has, and a line for
 * each problem.
 */
export async function makeReference(root, out) {
  const entries = entriesOf(root)
  const logger = new Problems()
  const app = await Application.bootstrap(
    {
      name: "x",
      entryPoints: [...entries.keys()],
      tsconfig: join(root, "tools/tsconfig.docs.json"),
      out,
      readme: "none",
      excludeInternal: true,
      excludePrivate: true,
      // Users don't extend our classes.
      excludeProtected: true,
      sort: ["source-order"],
      requiredToBeDocumented: KINDS,
      packagesRequiringDocumentation: [...new Set([...entries.values()].map(({ name }) => name))],
      // Another check compiles them, with a faster compiler.
      skipErrorChecking: true,
      // There is no public repository to link to.
      disableSources: true,
      disableGit: true,
    },
    [new TSConfigReader()],
  )
  app.logger = logger
  const project = await app.convert()
  if (project === undefined) return { names: 0, problems: logger.lines }
  nameModules(project, entries)
  validate(app, project)
  await app.generateOutputs(project)
  return { names: countNames(project, entries), problems: logger.lines }
}

/** The importable entries: the sources, each with its package and specifier. */
function entriesOf(root) {
  const entries = new Map()
  for (const folder of readdirSync(join(root, "packages")).toSorted()) {
    const file = join(root, "packages", folder, "package.json")
    if (!existsSync(file)) continue
    const { name, exports = {} } = JSON.parse(readFileSync(file, "utf8"))
    for (const [path, conditions] of Object.entries(exports)) {
      const source = conditions["@x/source"]
      if (source !== undefined)
        entries.set(join(root, "packages", folder, source), { name, specifier: name + path.slice(1) })
    }
  }
  return entries
}

/** A page is named after the import, not after the path of its source. */
function nameModules(project, entries) {
  for (const module of project.getReflectionsByKind(ReflectionKind.Module)) {
    const entry = entries.get(project.getSymbolIdFromReflection(module)?.fileName)
    if (entry !== undefined) module.name = entry.specifier
  }
}

function validate(app, project) {
  const only = (check) =>
    Object.fromEntries(["notExported", "notDocumented", "invalidLink", "invalidPath"].map((it) => [it, it === check]))
  for (const check of ["notDocumented", "invalidLink", "invalidPath"]) {
    app.options.setValue("validation", only(check))
    app.validate(project)
  }
  // TypeDoc looks for unexported types in one package only, that of the project.
  app.options.setValue("validation", only("notExported"))
  for (const name of app.options.getValue("packagesRequiringDocumentation")) {
    project.packageName = name
    app.validate(project)
  }
  project.packageName = undefined
}

function countNames(project, entries) {
  const packages = new Set([...entries.values()].map(({ name }) => name))
  const kinds = KINDS.reduce((bits, kind) => bits | ReflectionKind[kind], 0)
  const isOurs = (reflection) => packages.has(project.getSymbolIdFromReflection(reflection)?.packageName)
  return project.getReflectionsByKind(kinds).filter(isOurs).length
}

/** Keeps warnings and errors, in the words of TypeDoc. */
class Problems extends Logger {
  lines = []

  log(message, level) {
    if (level >= LogLevel.Warn) this.lines.push(message)
  }
}
