// Removes the output of earlier builds from the package in which it runs, so that a deleted source leaves no output.
import { rmSync } from "node:fs"

rmSync("dist", { recursive: true, force: true })
