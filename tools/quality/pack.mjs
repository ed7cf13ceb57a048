// Packs the packages as they would be published.
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync, readdirSync, realpathSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/**
 * Packs every package of packages/, and the packages of the native helper that can be compiled here, into `folder`;
 * returns the packed manifest and the tarball of each.
 */
export function packAll(folder) {
  return [...readdirSync(join(root, "packages")).toSorted(), ...prebuilt().compilable].map((name) => {
    const from = join(root, "packages", name)
    const said = output("pnpm", ["pack", "--json", "--pack-destination", folder], from)
    // The JSON is among the output of the package's scripts.
    const { filename } = JSON.parse(/^\{$[^]*^\}$/m.exec(said)[0])
    const manifest = JSON.parse(output("tar", ["-xzOf", filename, "package/package.json"], folder))
    return { name: manifest.name, from, manifest, tarball: filename }
  })
}

/**
 * The packages of the native helper for each platform: those with a compiler here, and why the others can't be packed.
 */
export function prebuilt() {
  const compilable = []
  const leftOut = []
  for (const platform of readdirSync(join(root, "packages/native/prebuilt")).toSorted()) {
    const name = `native/prebuilt/${platform}`
    const args = [join(root, "packages/native/build.mjs"), "--probe", join(root, "packages", name)]
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" })
    if (status === 0) compilable.push(name)
    else leftOut.push(`@x/native-${platform}: ${stdout.trim()}`)
  }
  return { compilable, leftOut }
}

/**
 * Packs the packages' dependencies from the registry, as installed here, so that they can be installed elsewhere
 * without a network.
 */
export function packDependencies(packages, folder) {
  const tarballs = new Map()
  for (const { from, manifest } of packages) packNeeds(manifest, from, folder, tarballs)
  return tarballs
}

function packNeeds(manifest, from, folder, tarballs) {
  for (const dependency of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })) {
    if (dependency.startsWith("@x/") || tarballs.has(dependency)) continue
    // Beside the package that needs it, or in its own folder there.
    const installed = realpathSync(join(nearestModules(from, dependency), dependency))
    const [{ filename }] = JSON.parse(
      output("npm", ["pack", installed, "--json", "--ignore-scripts", "--pack-destination", folder], folder),
    )
    tarballs.set(dependency, join(folder, filename.replace("@", "").replace("/", "-")))
    packNeeds(JSON.parse(readFileSync(join(installed, "package.json"), "utf8")), installed, folder, tarballs)
  }
}

function nearestModules(from, dependency) {
  for (let at = from; ; at = dirname(at)) {
    const modules = join(at, "node_modules")
    if (existsSync(join(modules, dependency))) return modules
    if (at === dirname(at)) throw new Error(`${dependency}, which ${from} needs, is not installed`)
  }
}

/** The output of a command; if it fails, throws an error with that output. */
export function output(file, args, cwd, env = {}) {
  const result = spawnSync(file, args, { cwd, env: { ...process.env, ...env }, encoding: "utf8", maxBuffer: 2 ** 28 })
  if (result.status === 0) return result.stdout
  const said = result.error?.message ?? `${result.stdout}${result.stderr}`.trim()
  throw new Error(`${file} ${args.join(" ")} failed in ${cwd}:\n${said}`)
}
