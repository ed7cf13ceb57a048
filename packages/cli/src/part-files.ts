import { createHash, randomBytes } from "node:crypto"
import { constants } from "node:fs"
import { copyFile, lstat, readdir, unlink } from "node:fs/promises"
import { join } from "node:path"

/** The suffix of every temporary file's name. These names begin with a dot, which no offered name does. */
export const PART_SUFFIX = ".x-part"

export function isPartName(name: string): boolean {
  return name.startsWith(".") && name.endsWith(PART_SUFFIX)
}

/**
 * The unfinished files of a folder: `.KEY-RANDOM.x-part`, where the key stands for the offered name. Only the transfer
 * that made a file writes it: a transfer that resumes another one writes to a copy, since another process may still be
 * writing the original.
 */
export class PartFiles {
  readonly #dir: string
  /** The files that a transfer of this process is writing. */
  readonly #open = new Set<string>()

  constructor(dir: string) {
    this.#dir = dir
  }

  /** A path for the next file, at which nothing exists. Release it later. */
  claim(name: string): string {
    const path = join(this.#dir, `${keyOf(name)}${randomBytes(8).toString("hex")}${PART_SUFFIX}`)
    this.#open.add(path)
    return path
  }

  release(path: string): void {
    this.#open.delete(path)
  }

  /** Copies the largest part of an offered name; returns its bytes, 0 if there is none. */
  async copyLargest(name: string, to: string): Promise<number> {
    let [largest, size] = ["", 0]
    for (const path of await this.#of(name)) {
      const status = await lstat(path).catch(() => undefined)
      if (status?.isFile() === true && status.size > size) [largest, size] = [path, status.size]
    }
    if (largest === "") return 0
    await copyFile(largest, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
    return (await lstat(to)).size
  }

  /** Removes the parts of an offered name, except those being written. */
  async drop(name: string): Promise<void> {
    const paths = (await this.#of(name)).filter((path) => !this.#open.has(path))
    await Promise.all(paths.map((path) => unlink(path).catch(() => {})))
  }

  async #of(name: string): Promise<string[]> {
    const key = keyOf(name)
    const names = await readdir(this.#dir)
    return names.filter((part) => part.startsWith(key) && isPartName(part)).map((part) => join(this.#dir, part))
  }
}

/**
 * Parts are named by a digest: an offered name may already have the greatest length of a file name, and must not be
 * shown.
 */
function keyOf(name: string): string {
  return `.${createHash("sha256").update(name).digest("hex").slice(0, 16)}-`
}
