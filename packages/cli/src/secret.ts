/** Secrets, from a file or the environment: all users of a machine can read a command line. */
import { randomBytes } from "node:crypto"
import { open } from "node:fs/promises"
import { dirname } from "node:path"
import { type EndpointOptions, secretsFrom } from "@x/endpoint"
import { CommandError, EXIT } from "./failure.ts"

/** Bytes of entropy of a secret that is made here. */
const SECRET_BYTES = 32
/** Far more than eight secrets take: a longer file is something else, or has no end. */
const FILE_BYTES_MAX = 65_536
/** The mode bits of a file that group or others may read or write. */
const OPEN_TO_OTHERS = 0o066

/** How datagrams are protected: encrypted, if there is a secret. */
export interface Protection {
  readonly options: Pick<EndpointOptions, "protection" | "secrets">
  /** A warning for the user about where the secret is kept. */
  readonly note?: string
}

/**
 * The secrets of a file, one a line, the first for joining others; otherwise those of the file that `X_SECRET_FILE`
 * names, or the secret in `X_SECRET`. `undefined`: there is none.
 */
export async function findProtection(
  file: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Protection | undefined> {
  if (file !== undefined) return readProtection(file, `"${file}"`)
  const { X_SECRET_FILE: path, X_SECRET: secret } = env
  if (path !== undefined) return readProtection(path, `"${path}", which X_SECRET_FILE names,`)
  return secret === undefined ? undefined : encrypted(secret, "X_SECRET")
}

async function readProtection(path: string, where: string): Promise<Protection> {
  if (path === "")
    throw new CommandError(EXIT.usage, `the name of the secret's file is empty; is X_SECRET_FILE set to an empty text?`)
  await using handle = await open(path, "r")
  const status = await handle.stat()
  if (status.isDirectory())
    throw new CommandError(EXIT.usage, `${where} is a folder; name a file with a secret, which x keygen makes`)
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(FILE_BYTES_MAX + 1), 0, FILE_BYTES_MAX + 1, null)
  if (bytesRead > FILE_BYTES_MAX) throw new CommandError(EXIT.usage, `${where} is too long for a file with secrets`)
  const protection = encrypted(buffer.toString("utf8", 0, bytesRead).replace(/^\uFEFF/, ""), where)
  const isOpen = process.platform !== "win32" && status.isFile() && (status.mode & OPEN_TO_OTHERS) !== 0
  return isOpen ? { ...protection, note: `others may read or replace the secret: chmod 600 "${path}"` } : protection
}

function encrypted(text: string, where: string): Protection {
  try {
    return { options: { protection: "aead", secrets: secretsFrom(text) } }
  } catch (error) {
    throw new CommandError(EXIT.usage, `${where} holds no secrets to use: ${(error as Error).message}`)
  }
}

/** Makes a secret of 43 letters. With `file`, writes it to a new file that no other user may read. */
export async function makeSecret(file: string | undefined): Promise<string> {
  const secret = randomBytes(SECRET_BYTES).toString("base64url")
  if (file === undefined) return secret
  await using handle = await open(file, "wx", 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "EEXIST")
      throw new CommandError(EXIT.usage, `"${file}" is there already, and is left as it is; name another`)
    if (error.code === "ENOENT")
      throw new CommandError(
        EXIT.usage,
        `there is no folder "${dirname(file)}" to put it in; make one, or name another`,
      )
    throw error
  })
  await handle.writeFile(`${secret}\n`)
  return secret
}
