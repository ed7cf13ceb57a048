import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { noCompiler, titled } from "./support/skip.ts"

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

test.skipIf(noCompiler !== undefined)(
  titled("each way to compute the checksum gives what its definition does, for every length", noCompiler),
  () => {
    const folder = mkdtempSync(join(tmpdir(), "x-native-crc32c-"))
    try {
      const program = join(folder, "every-length")
      const sources = path("../src/c")
      const units = ["crc32c.c", "crc32c_folding.c"].map((name) => join(sources, name))
      const flags = ["-std=c11", "-O2", "-D_GNU_SOURCE", `-I${sources}`, "-o", program]
      const compiled = spawnSync(
        process.env["CC"] ?? "cc",
        [...flags, path("crc32c/every-length.c"), ...units, "-lpthread"],
        { encoding: "utf8" },
      )
      expect(compiled).toMatchObject({ status: 0, stderr: "" })
      expect(spawnSync(program, { encoding: "utf8" })).toMatchObject({
        status: 0,
        stdout: expect.stringMatching(/table\n$/),
      })
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
)
