// Checks each package as its users get it: packs it, and checks the tarball. Each check of a package counts as one.
import { spawnSync } from "node:child_process"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import { writeSummary } from "../summary.mjs"
import { output, packAll, packDependencies, root } from "./pack.mjs"
import { releaseProblems } from "./release.mjs"

/**
 * The compilers that users may have, oldest first. Each is installed under this name in tools/quality or at the root.
 */
const COMPILERS = [
  // The oldest that the READMEs promise to support.
  ["TypeScript 5.7", "tools/quality/node_modules/typescript-least"],
  ["TypeScript 5.9", "tools/quality/node_modules/typescript-5"],
  ["TypeScript 6", "tools/quality/node_modules/typescript"],
  ["TypeScript 7", "node_modules/typescript"],
]

/** Types that the runtime has to provide; a package not named here is checked with only the language's types. */
const TYPES = {
  "@x/transport": ["node"],
  "@x/native": ["node"],
  "@x/endpoint": ["node"],
  "@x/topics": ["node"],
  "@x/rpc": ["node"],
}

const MUST_HOLD = ["package/README.md", "package/LICENSE"]

const folder = mkdtempSync(join(tmpdir(), "packages-"))
let passed = 0
let failed = 0
try {
  check("release: all packages agree", releaseProblems(root))
  const packages = packAll(folder)
  for (const { name, from, manifest, tarball } of packages) {
    install(name, tarball)
    check(`${name}: contents`, contents(from, manifest, tarball))
    check(`${name}: publint --strict`, await lint(manifest, tarball))
    // A package without entries has no types to resolve.
    if (entriesOf(manifest).length > 0) check(`${name}: attw --profile esm-only`, attw(tarball))
  }
  const libraries = packages.filter(({ manifest }) => entriesOf(manifest).length > 0)
  for (const [name, tarball] of packDependencies(packages, folder)) install(name, tarball)
  for (const { name, manifest } of libraries) check(`${name}: imported from its tarball`, imported(manifest))
  for (const library of libraries) writeConsumer(library)
  symlinkSync(join(root, "node_modules/@types"), join(folder, "node_modules/@types"), "junction")
  for (const [compiler, path] of COMPILERS) {
    for (const { name } of libraries)
      check(`${name}: types under ${compiler}`, compile(join(root, path, "bin/tsc"), name))
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(`packages: ${passed} checks passed, ${failed} failed`)
writeSummary({ passed, failed, skipped: [] })
process.exitCode = failed === 0 && passed > 0 ? 0 : 1

function check(what, problems) {
  if (problems.length === 0) passed++
  else failed++
  console.log(`${problems.length === 0 ? "ok  " : "FAIL"} ${what}`)
  for (const problem of problems) console.log(`     ${problem.replaceAll("\n", "\n     ")}`)
}

/** Every file that package.json points to is there, as are the documents that a reader expects, and nothing else. */
function contents(from, manifest, tarball) {
  const files = new Set(output("tar", ["-tzf", tarball], folder).split("\n"))
  const pointedAt = [...entriesOf(manifest).flatMap(({ targets }) => targets), ...Object.values(manifest.bin ?? {})]
  const missing = [...MUST_HOLD, ...pointedAt.map((path) => `package/${path.replace(/^\.\//, "")}`)].filter(
    (file) => !files.has(file),
  )
  const odd = [...files].filter((file) => /\.tsbuildinfo$|\/test\/|\/node_modules\//.test(file))
  const types = join(folder, "node_modules", manifest.name, "dist")
  const inner = filesIn(types).filter(
    (file) => file.endsWith(".d.ts") && readFileSync(join(types, file), "utf8").includes("@internal"),
  )
  const workspace = Object.entries({ ...manifest.dependencies, ...manifest.optionalDependencies }).filter(([, range]) =>
    range.startsWith("workspace:"),
  )
  return [
    ...missing.map((file) => `lacks ${file.slice("package/".length)}`),
    ...odd.map((file) => `holds ${file}`),
    ...inner.map((file) => `dist/${file} shows users what is marked @internal (stripInternal in tsconfig.base.json)`),
    ...workspace.map(([dependency]) => `${dependency} is not packed as a version`),
  ]
}

function filesIn(at) {
  return existsSync(at) ? readdirSync(at, { recursive: true, encoding: "utf8" }) : []
}

async function lint(manifest, tarball) {
  const bytes = readFileSync(tarball)
  const arrayBuffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
  const { messages } = await publint({ pack: { tarball: arrayBuffer }, strict: true, level: "suggestion" })
  return messages.map(
    (message) => `${message.type}: ${formatMessage(message, manifest, { color: false }) ?? message.code}`,
  )
}

function attw(tarball) {
  const tool = join(root, "tools/quality/node_modules/.bin/attw")
  const { status, stdout, stderr } = spawnSync(tool, [tarball, "--profile", "esm-only", "--no-emoji", "--no-color"], {
    cwd: folder,
    encoding: "utf8",
  })
  return status === 0 ? [] : [`${stdout}${stderr}`.trim()]
}

function imported(manifest) {
  return entriesOf(manifest).flatMap(({ specifier }) => {
    const code = `const m = await import(${JSON.stringify(specifier)}); if (Object.keys(m).length === 0) throw new Error("it exports nothing")`
    const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
      cwd: folder,
      encoding: "utf8",
    })
    return status === 0 ? [] : [`${specifier}: ${stderr.trim()}`]
  })
}

/** Writes a program that imports everything, checked with all of the package's types, without skipLibCheck. */
function writeConsumer({ name, manifest }) {
  const at = join(folder, "types", name)
  mkdirSync(at, { recursive: true })
  const source = entriesOf(manifest).map(
    ({ specifier }, i) =>
      `import * as entry${i} from ${JSON.stringify(specifier)}\nexport type Entry${i} = typeof entry${i}\n`,
  )
  writeFileSync(join(at, "consumer.ts"), source.join(""))
  const strictness = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
  }
  const typeRoots = [join(folder, "node_modules/@types")]
  const compilerOptions = {
    ...strictness,
    noEmit: true,
    target: "es2023",
    lib: ["es2023"],
    module: "nodenext",
    types: TYPES[name] ?? [],
    typeRoots,
  }
  writeFileSync(join(at, "package.json"), JSON.stringify({ type: "module" }))
  writeFileSync(join(at, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["consumer.ts"] }))
}

function compile(tsc, name) {
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", join(folder, "types", name)], {
    cwd: folder,
    encoding: "utf8",
  })
  return status === 0 ? [] : [stdout.trim()]
}

/** Unpacks the package, without installing it: the package.json of a sibling is checked for that sibling. */
function install(name, tarball) {
  const at = join(folder, "node_modules", name)
  mkdirSync(at, { recursive: true })
  output("tar", ["-xzf", tarball, "--strip-components=1"], at)
}

/** The importable entries: `exports` without files that are only read. */
function entriesOf(manifest) {
  return Object.entries(manifest.exports ?? {})
    .filter(([, conditions]) => typeof conditions === "object")
    .map(([path, conditions]) => ({ specifier: manifest.name + path.slice(1), targets: Object.values(conditions) }))
}
