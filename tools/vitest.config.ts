import { defineConfig } from "vitest/config"

// Tests run on the sources: no build comes between an edit and its test.
const conditions = ["@x/source"]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["packages/*/test/**/*.test.ts", "tools/*/test/**/*.test.ts"],
    setupFiles: ["tools/vitest.setup.ts"],
    testTimeout: 60_000,
    watch: false,
  },
})
