#!/usr/bin/env node
/** Starts the `x` command; from Node 22.1 on with the code that an earlier start has compiled. */
import * as module from "node:module"

;(module as { readonly enableCompileCache?: () => unknown }).enableCompileCache?.()
await import("./program.ts")
