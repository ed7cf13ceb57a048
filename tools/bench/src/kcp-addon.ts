/**
 * The C++ of the package `node-kcp`, compiled here: its install script uses node-gyp, which would download headers that
 * this Node already has.
 */

import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, renameSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

/** One end of a conversation; times are milliseconds, modulo 2^32. */
export interface Kcp {
  /** A result below 0: not accepted. */
  send(bytes: Uint8Array): number
  input(datagram: Uint8Array): number
  recv(): Buffer | undefined
  output(write: (datagram: Buffer, length: number) => void): void
  update(atMs: number): void
  flush(): void
  /** Segments not acknowledged. */
  waitsnd(): number
  setmtu(bytes: number): number
  wndsize(send: number, receive: number): number
  nodelay(isSet: 0 | 1, intervalMs: number, fastResend: number, isUncongested: 0 | 1): number
  stream(isSet: 0 | 1): number
}

export interface Addon {
  readonly KCP: new (conversation: number) => Kcp
}

const CACHE = fileURLToPath(new URL("../../../.cache/bench/", import.meta.url))
const require = createRequire(import.meta.url)

export function loadKcp(): Addon {
  const file = join(CACHE, `kcp-${process.platform}-${process.arch}-${process.versions.modules}.node`)
  if (!existsSync(file)) compile(file)
  return require(file) as Addon
}

function compile(file: string): void {
  const source = join(dirname(require.resolve("node-kcp/package.json")), "src")
  const nan = dirname(createRequire(join(source, "..", "package.json")).resolve("nan"))
  const include = [process.env["npm_config_nodedir"], join(dirname(process.execPath), "..")]
    .map((folder) => join(folder ?? "", "include/node"))
    .find((folder) => existsSync(join(folder, "v8.h")))
  if (include === undefined) throw new Error(`the headers of Node ${process.versions.node} aren't beside it`)
  mkdirSync(CACHE, { recursive: true })
  const part = `${file}.${process.pid}`
  const flags = [
    "-std=gnu++20",
    "-O2",
    "-w",
    "-fPIC",
    "-shared",
    "-DNODE_GYP_MODULE_NAME=kcp",
    `-I${include}`,
    `-I${nan}`,
  ]
  const inputs = [
    "-x",
    "c",
    "-std=gnu11",
    "src/kcp/ikcp.c",
    "-x",
    "c++",
    "-std=gnu++20",
    "src/kcpobject.cc",
    "src/node-kcp.cc",
  ]
  const { status, stderr, error } = spawnSync("c++", [...flags, "-o", part, ...inputs], {
    cwd: dirname(source),
    encoding: "utf8",
  })
  if (status !== 0)
    throw new Error(
      `node-kcp could not be compiled: ${error?.message ?? stderr.split("\n").find((line) => line.includes("error"))}`,
    )
  renameSync(part, file)
}
