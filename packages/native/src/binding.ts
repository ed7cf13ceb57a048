/**
 * Finds and loads the compiled helper. Anything about it may be missing or wrong, and nothing here may throw: the
 * caller then does without it. The calls of the helper have more than five parameters, as they are in C: no object is
 * made for a batch, and none has to be read there.
 *
 * @module
 */

import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, resolve } from "node:path"
import { fileURLToPath } from "node:url"

/** Increases with every change to {@link Binding}, together with INTERFACE_VERSION in `c/module.c`. */
export const INTERFACE_VERSION = 7

/**
 * The exports of the C code, which checks its arguments itself. Arguments are positional, so that C needs to look none
 * up by name.
 */
export interface Binding {
  readonly interfaceVersion: number
  open(
    family: number,
    host: string,
    port: number,
    v6Only: boolean,
    dontFragment: boolean,
    receiveBufferBytes: number,
    sendBufferBytes: number,
  ): { fd: number; port: number; dontFragment: boolean; receiveBufferBytes: number; sendBufferBytes: number }
  close(fd: number): void
  getOption(fd: number, level: string, name: string): number
  setOption(fd: number, level: string, name: string, value: number): void
  /** Whether the functions below exist. */
  readonly batch: boolean
  channelCreate(
    callback: (event: number, value: number, other: number) => void,
    slab: Uint8Array,
    offset: Int32Array,
    length: Int32Array,
    address: Int32Array,
    opener: Int32Array,
    verdict: Uint8Array,
    ecn: Uint8Array,
  ): ChannelHandle
  channelAdd(channel: ChannelHandle, fd: number, family: number): number
  channelCheck(channel: ChannelHandle, family: number): number
  channelDrop(channel: ChannelHandle, family: number): void
  channelClose(channel: ChannelHandle): void
  channelRef(channel: ChannelHandle, isRef: boolean): void
  channelSetSlab(channel: ChannelHandle, slab: number, bytes: Uint8Array | null): void
  channelSetAddress(channel: ChannelHandle, address: number, family: number, host: string, port: number): void
  channelClearAddress(channel: ChannelHandle, address: number): void
  channelSetSealer(channel: ChannelHandle, sealer: number, isSet: boolean, sealSeed: number, openSeed: number): void
  /** Whether `channelSetKey` works: the runtime has OpenSSL. */
  readonly aesGcm: boolean
  channelSetKey(
    channel: ChannelHandle,
    sealer: number,
    key: Uint8Array,
    iv: Uint8Array,
    associated: Uint8Array,
    counterOffset: number,
    clearBytes: number,
  ): void
  channelSend(
    channel: ChannelHandle,
    slab: Int32Array,
    offset: Int32Array,
    length: Int32Array,
    address: Int32Array,
    sealer: Int32Array,
    ecn: Uint8Array,
    from: number,
    count: number,
    report: Int32Array,
  ): number
  channelOpen(channel: ChannelHandle, count: number): void
  channelSource(channel: ChannelHandle, row: number): string
  errorName(errno: number): string
  alarmCreate(callback: () => void): AlarmHandle
  alarmSet(alarm: AlarmHandle, us: number): void
  alarmRef(alarm: AlarmHandle, isRef: boolean): void
  alarmClose(alarm: AlarmHandle): void
  crc32c(bytes: Uint8Array, start: number, end: number, crc: number): number
}

/** An object that JavaScript holds and C interprets. */
export type ChannelHandle = { readonly __channel: never }

export type AlarmHandle = { readonly __alarm: never }

export type Loaded =
  | { readonly binding: Binding; readonly reason: undefined }
  | { readonly binding: undefined; readonly reason: string }

/**
 * Where the helper may be, best first: a package with a binary for this platform, the binary that `build.mjs` compiled
 * here, a file beside the bundle that contains this module.
 */
export function candidates(platform: string = platformName()): string[] {
  return [`@x/native-${platform}`, fileBeside("../build/x-native.node"), fileBeside("x-native.node")]
}

/**
 * The platform as in package names: `linux-x64`, `linux-arm64-musl`. `loaded`: the files that this process has mapped;
 * by default the system's list.
 */
export function platformName(loaded: string = process.platform === "linux" ? mapped() : ""): string {
  return `${process.platform}-${process.arch}${loaded.includes("/ld-musl-") ? "-musl" : ""}`
}

/** Every runtime has this file, but each has another way to tell which libc it is linked to. */
function mapped(): string {
  try {
    return readFileSync("/proc/self/maps", "latin1")
  } catch {
    return ""
  }
}

/** The first of `requests` that loads and has our version; otherwise the reason. Never throws. */
export function load(requests: readonly string[]): Loaded {
  const require = createRequire(ownFile())
  const refusals: string[] = []
  for (const request of requests) {
    try {
      const binding = require(request) as Partial<Binding>
      if (binding.interfaceVersion === INTERFACE_VERSION) return { binding: binding as Binding, reason: undefined }
      refusals.push(`${request} has interface ${binding.interfaceVersion}, needed is ${INTERFACE_VERSION}`)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") refusals.push(firstLine(error))
    }
  }
  return { binding: undefined, reason: refusals.length > 0 ? refusals.join("; ") : whyNotBuilt() }
}

/** `build.mjs` leaves its reason where the binary would be. */
function whyNotBuilt(): string {
  try {
    return readFileSync(fileBeside("../build/reason.txt"), "utf8").trim()
  } catch {
    return `@x/native-${platformName()} is not installed, nor is its x-native.node beside a bundle; where there is no such package, "npm install --no-save node-api-headers" and "node node_modules/@x/native/build.mjs" make one with a C compiler`
  }
}

/** `src` and `dist` are both beside `build`. */
function fileBeside(path: string): string {
  return resolve(dirname(ownFile()), path)
}

// Bundlers define it when they make CommonJS, which has no `import.meta.url`.
declare const __filename: string | undefined

function ownFile(): string {
  return typeof __filename === "string" ? __filename : fileURLToPath(import.meta.url)
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split("\n", 1)[0]!
}
