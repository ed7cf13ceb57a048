// Follows the imports of every package's sources with dependency-cruiser and compares them with the arrows and floors
// of architecture.mjs.
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { cruise } from "dependency-cruiser"
import { ARROWS, FLOORS, FROM_REGISTRY, IMPURE, KNOWN, PURE, SELF_CONTAINED } from "./architecture.mjs"
import { checkCircles, checkFloors, drawFloors } from "./floors.mjs"

/**
 * Returns how many modules of `root` were cruised, the violations as one line each, and a drawing of each package that
 * has floors. A known violation doesn't count, unless it no longer exists.
 * @param {string} root
 * @param {{ known?: readonly string[], floors?: Record<string, string[]> }} [options]
 */
export async function checkArrows(root, { known = KNOWN, floors = FLOORS } = {}) {
  const { output } = await cruise(
    Object.keys(ARROWS).map((name) => `packages/${name}/src`),
    {
      baseDir: root,
      validate: true,
      ruleSet: { forbidden: [...arrowRules(), ...RULES] },
      doNotFollow: { path: ["node_modules", "^packages/[^/]+/dist/"] },
      // Imports of types are arrows too.
      tsPreCompilationDeps: true,
    },
    {
      exportsFields: ["exports"],
      conditionNames: ["@x/source", "import", "node", "default"],
      extensions: [".ts", ".mts", ".js", ".mjs", ".json"],
      symlinks: true,
    },
  )
  const modules = output.modules.filter(({ source }) => /^packages\/[^/]+\/src\//.test(source))
  const imports = new Map(
    modules.map(({ source, dependencies }) => [source, [...new Set(dependencies.map(({ resolved }) => resolved))]]),
  )
  const violations = [
    ...output.summary.violations.map(({ from, to, rule }) => `${from} -> ${to}: ${explanation(rule.name)}`),
    ...checkCircles(imports),
    ...checkFloors(imports, floors),
    ...checkManifests(root),
  ]
  return { modules: modules.length, violations: withoutKnown(violations, known), drawings: drawFloors(imports, floors) }
}

function withoutKnown(violations, known) {
  const nameOf = (violation) => violation.slice(0, violation.indexOf(": "))
  const names = new Set(violations.map(nameOf))
  const gone = known.filter((name) => !names.has(name))
  return [
    ...violations.filter((violation) => !known.includes(nameOf(violation))),
    ...gone.map((name) => `${name}: is no violation any more; take it out of KNOWN (tools/quality/architecture.mjs)`),
  ]
}

/** A package.json is the diagram as users see it: its sibling dependencies must be exactly the arrows. */
function checkManifests(root) {
  return Object.entries(ARROWS).flatMap(([name, arrows]) => {
    const manifest = JSON.parse(readFileSync(join(root, `packages/${name}/package.json`), "utf8"))
    /** @type {Record<string, string[]>} */
    const wanted = { dependencies: [], optionalDependencies: [] }
    for (const [to, kind] of Object.entries(arrows))
      wanted[kind === "dynamic" ? "optionalDependencies" : "dependencies"].push(`@x/${to}`)
    return Object.entries(wanted).flatMap(([field, siblings]) => {
      const there = Object.keys(manifest[field] ?? {})
      const problems = []
      for (const sibling of siblings) if (!there.includes(sibling)) problems.push(`${field} lacks ${sibling}`)
      for (const dependency of there) {
        // The package itself, compiled for a platform.
        if (
          field === "optionalDependencies" &&
          existsSync(join(root, `packages/${name}/prebuilt`, dependency.replace(`@x/${name}-`, "")))
        )
          continue
        if (name === FROM_REGISTRY.package && FROM_REGISTRY.needs.includes(dependency)) continue
        if (dependency.startsWith("@x/") ? !siblings.includes(dependency) : SELF_CONTAINED.includes(name))
          problems.push(`${field} has ${dependency}`)
      }
      return problems.map((problem) => `packages/${name}/package.json: ${problem}`)
    })
  })
}

function arrowRules() {
  return Object.entries(ARROWS).flatMap(([name, arrows]) => {
    const from = { path: `^packages/${name}/src/` }
    const reachable = [name, ...Object.keys(arrows)].join("|")
    const rules = [
      {
        name: `arrow: @x/${name}`,
        severity: "error",
        from,
        to: { path: "^packages/", pathNot: `^packages/(${reachable})/` },
      },
    ]
    for (const [to, kind] of Object.entries(arrows)) {
      if (kind !== "dynamic") continue
      const target = { path: `^packages/${to}/`, dynamic: false, dependencyTypesNot: ["type-only", "type-import"] }
      rules.push({ name: `dynamic: @x/${name}`, severity: "error", from, to: target })
    }
    return rules
  })
}

const PURE_FILES = {
  path: PURE.map((folder) => `^${folder}`),
  pathNot: IMPURE.map((file) => `^${file.replaceAll(".", "\\.")}$`),
}
const FROM_SELF_CONTAINED = { path: `^packages/(${SELF_CONTAINED.join("|")})/src/` }
const REGISTRY_SOURCE = `^${FROM_REGISTRY.source.replaceAll(".", "\\.")}$`

const RULES = [
  { name: "unresolved", severity: "error", from: {}, to: { couldNotResolve: true } },
  {
    name: "by name",
    severity: "error",
    from: { path: "^packages/([^/]+)/" },
    to: { path: "^packages/", pathNot: "^packages/$1/", dependencyTypes: ["local"] },
  },
  { name: "pure", severity: "error", from: PURE_FILES, to: { dependencyTypes: ["core"] } },
  // The simulated network is usable without the system's network: it may share the interfaces, but not the sockets.
  {
    name: "self-contained",
    severity: "error",
    from: { ...FROM_SELF_CONTAINED, pathNot: REGISTRY_SOURCE },
    to: { path: "node_modules" },
  },
  {
    name: "few others",
    severity: "error",
    from: { path: REGISTRY_SOURCE },
    to: { path: "node_modules", pathNot: `node_modules/(${FROM_REGISTRY.needs.join("|")})/` },
  },
  // Real endpoints load nothing from the registry, installed or not.
  {
    name: "only simulated",
    severity: "error",
    from: { path: FROM_SELF_CONTAINED.path, pathNot: "^packages/transport/src/simulated/" },
    to: { path: REGISTRY_SOURCE, reachable: true },
  },
]

const EXPLANATIONS = {
  unresolved: "there is no such module, or it is not exported",
  "by name": "a sibling package is imported by its name, not by its path",
  pure: "a pure source imports nothing of the runtime",
  "self-contained": "this package has no dependency outside the workspace",
  "few others": "no other package of the registry is used there (tools/quality/architecture.mjs)",
  "only simulated": "only the simulated network needs packages of the registry",
}

function explanation(rule) {
  const [kind, name] = rule.split(": ")
  if (kind === "arrow") return `no arrow leads there from ${name} (tools/quality/architecture.mjs)`
  if (kind === "dynamic") return `${name} may import this dynamically only: it may be missing`
  return EXPLANATIONS[rule]
}
