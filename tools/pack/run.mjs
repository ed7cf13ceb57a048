// Packs the packages into one folder to install from, by default ./packed: tarballs, packages.json that describes them,
// and install.mjs.
import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { basename, join, resolve } from "node:path"
import { packAll, prebuilt, root } from "../quality/pack.mjs"

const folder = resolve(process.argv[2] ?? join(root, "packed"))
rmSync(folder, { recursive: true, force: true })
mkdirSync(join(folder, "platforms"), { recursive: true })

const packed = packAll(folder).map(({ name, manifest, tarball }) => {
  const { version, os, cpu, libc, dependencies, optionalDependencies } = manifest
  // In a separate folder, so that `npm install packed/*.tgz` installs for no platform but its own.
  const file = os === undefined ? basename(tarball) : `platforms/${basename(tarball)}`
  if (os !== undefined) renameSync(tarball, join(folder, file))
  const needs = Object.keys({ ...dependencies, ...optionalDependencies }).filter((dependency) =>
    dependency.startsWith("@x/"),
  )
  return { name, version, file, os, cpu, libc, needs }
})
writeFileSync(join(folder, "packages.json"), `${JSON.stringify(packed, null, 2)}\n`)
cpSync(join(root, "tools/pack/install.mjs"), join(folder, "install.mjs"))

for (const { name, version, file } of packed) console.log(`${name} ${version}: ${file}`)
for (const line of prebuilt().leftOut) console.log(`left out: ${line}`)
console.log(`\nin the folder of your project: node ${join(folder, "install.mjs")}`)
