import { available, canBatch, reason } from "@x/native"
import { systemHost } from "@x/transport"
import assert from "node:assert/strict"
import { existsSync, readFileSync } from "node:fs"
import { test } from "node:test"

const MODULES = new URL("node_modules/@x/", import.meta.url)
const { overrides } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"))
/** Whether the package for this platform could be packed: only with a compiler. */
const isPacked = overrides[`@x/native-${process.platform}-${process.arch}`] !== undefined

test("the helper comes with the package for this platform, and without that there is none", () => {
  assert.equal(existsSync(new URL("native/build/x-native.node", MODULES)), false, "it was compiled")
  assert.equal(available, isPacked, reason)
})

test("the transport moves batches exactly where the helper can", async () => {
  const transport = await systemHost().bind({ v4: "127.0.0.1", v6: false })
  assert.equal(transport.capabilities.batch, canBatch)
  await transport.close()
})
