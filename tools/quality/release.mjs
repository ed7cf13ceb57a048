// What has to be the same in all published packages, so that a release is consistent.
import { existsSync, readFileSync, readdirSync } from "node:fs"
import { join } from "node:path"

/**
 * The problems of the packages of `root`, one line each. With `isForRegistry` the repository's address has to be a real
 * one too.
 */
export function releaseProblems(root, { isForRegistry = false } = {}) {
  const read = (file) => JSON.parse(readFileSync(join(root, file), "utf8"))
  const { url } = read("package.json").repository
  const folders = published(root)
  const manifests = folders.map((folder) => ({ folder, ...read(`${folder}/package.json`) }))
  const problems = manifests.flatMap(
    ({ folder, name, version, repository, publishConfig, private: isPrivate, scripts = {}, ...rest }) => {
      const found = []
      if (repository?.url !== url || repository?.type !== "git" || repository?.directory !== folder)
        found.push(
          `repository is not { "type": "git", "url": "${url}", "directory": "${folder}" } (the address is set in the top package.json)`,
        )
      if (publishConfig?.access !== "public") found.push(`publishConfig.access is not "public"`)
      if (isPrivate) found.push("it is private")
      if (version !== manifests[0].version)
        found.push(`its version is ${version}, that of ${manifests[0].name} ${manifests[0].version}`)
      else if (!folder.includes("/prebuilt/") && !tellsOf(version, join(root, folder, "CHANGELOG.md")))
        found.push(
          `its CHANGELOG.md has nothing for ${version}: npm run release -- version writes it, from the files of .changeset`,
        )
      if (!folder.includes("/prebuilt/") && !(rest.keywords?.length > 0)) found.push("it has no keywords")
      for (const script of ["preinstall", "install", "postinstall"])
        if (scripts[script]) found.push(`it runs a script at ${script}`)
      return found.map((problem) => `${name}: ${problem}`)
    },
  )
  const fixed = read(".changeset/config.json").fixed.flat().toSorted()
  const names = manifests.map(({ name }) => name).toSorted()
  if (fixed.join() !== names.join()) problems.push(`.changeset/config.json: "fixed" is not ${names.join(", ")}`)
  if (isForRegistry && new URL(url.replace(/^git\+/, "")).hostname.endsWith(".invalid"))
    problems.push(
      `package.json: repository.url is a placeholder; set the project's own address, there and in the packages`,
    )
  return problems
}

function tellsOf(version, file) {
  return existsSync(file) && readFileSync(file, "utf8").split("\n").includes(`## ${version}`)
}

function published(root) {
  const folders = ["packages", "packages/native/prebuilt"].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => `${folder}/${name}`),
  )
  return folders.filter((folder) => existsSync(join(root, folder, "package.json"))).toSorted()
}
