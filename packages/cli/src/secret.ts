/** Secrets, from a file or the environment: a command line can be read by all users of a machine. */
import { randomBytes } from "node:crypto"
import { open } from "node:fs/promises"
import type { EndpointOptions } from "@x/endpoint"
import { CommandError, EXIT } from "./failure.ts"

/** Bytes of entropy of a secret that is made here. */
const SECRET_BYTES = 32
/** A file that group or others may read or write. */
const OPEN_TO_OTHERS = 0o066

/** How datagrams are protected: encrypted, where there is a secret. */
export interface Protection {
  readonly options: Pick<EndpointOptions, "protection" | "secrets">
  /** What the user should know of where the secret lies. */
  readonly note?: string
}

/**
 * The secrets of a file, one a line, the first for joining others; else those of the file that `X_SECRET_FILE` names, or what `X_SECRET` holds. `undefined`:
 * none of them is there.
 */
export async function findProtection(file: string | undefined, env: NodeJS.ProcessEnv = process.env): Promise<Protection | undefined> {
  const path = file ?? env["X_SECRET_FILE"]
  if (path === undefined) return env["X_SECRET"] === undefined ? undefined : encrypted(env["X_SECRET"], "X_SECRET")
  const handle = await open(path, "r")
  try {
    const { mode } = await handle.stat()
    const protection = encrypted(await handle.readFile("utf8"), `"${path}"`)
    const isOpen = process.platform !== "win32" && (mode & OPEN_TO_OTHERS) !== 0
    return isOpen ? { ...protection, note: `others may read or replace the secret: chmod 600 "${path}"` } : protection
  } finally {
    await handle.close()
  }
}

function encrypted(text: string, where: string): Protection {
  const secrets = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
  if (secrets.length === 0) throw new CommandError(EXIT.usage, `there is no secret in ${where}; x keygen makes one`)
  return { options: { protection: "aead", secrets } }
}

/** Makes a secret: 43 letters. Written to a file that nobody else may read and that wasn't there. */
export async function makeSecret(file: string | undefined): Promise<string> {
  const secret = randomBytes(SECRET_BYTES).toString("base64url")
  if (file === undefined) return secret
  const handle = await open(file, "wx", 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "EEXIST") throw new CommandError(EXIT.usage, `"${file}" is there already, and is left as it is; name another`)
    throw error
  })
  try {
    await handle.writeFile(`${secret}\n`)
  } finally {
    await handle.close()
  }
  return secret
}
