// Releases: "status" prints what would be released, "version" turns the files of .changeset into versions and change
// logs, "publish" publishes the versions that the registry lacks. Commit the release between the last two.
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { releaseProblems } from "../quality/release.mjs"
import { prebuilt, root } from "../quality/pack.mjs"

const [command = "status"] = process.argv.slice(2)
if (!["status", "version", "publish"].includes(command))
  fail(`unknown command "${command}"; there are: status, version, publish`)
if (command === "publish") {
  const problems = releaseProblems(root, { isForRegistry: true })
  for (const line of prebuilt().leftOut) problems.push(`can't be packed here: ${line}`)
  if (problems.length > 0) fail(problems.join("\nerror: "))
}
const { status } = spawnSync(join(root, "tools/release/node_modules/.bin/changeset"), [command], {
  cwd: root,
  stdio: "inherit",
})
process.exit(status ?? 1)

function fail(message) {
  console.error(`error: ${message}`)
  process.exit(1)
}
