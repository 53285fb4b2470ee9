import { existsSync } from "node:fs";

const triplets: Readonly<Record<string, string>> = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" };

/** Environment of workers that makes freed memory go back to the system. glibc gives back only what lies at the end of its
 *  heap: after a busy minute a worker holds 37 MB for 4 MB in use (measured). jemalloc, where Debian's package is installed,
 *  gives all of it back; elsewhere glibc is at least kept from making an arena for each thread.
 *  `kerberos`: workers offer it. Its package loads the system's libraries so that they have glibc's allocator whatever is
 *  preloaded (RTLD_DEEPBIND), and frees what they allocate: with two allocators the worker crashes. Then there is no jemalloc. */
export function allocatorEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  kerberos = false,
): Readonly<Record<string, string>> {
  const library = `/usr/lib/${triplets[process.arch] ?? process.arch}/libjemalloc.so.2`;
  const { LD_PRELOAD, MALLOC_CONF, MALLOC_ARENA_MAX } = environment;
  // An administrator who preloads something has reasons.
  if (LD_PRELOAD || kerberos || !existsSync(library)) return { MALLOC_ARENA_MAX: MALLOC_ARENA_MAX ?? "2" };
  return {
    LD_PRELOAD: library,
    MALLOC_CONF: MALLOC_CONF ?? "dirty_decay_ms:1000,muzzy_decay_ms:0,narenas:2,background_thread:true",
  };
}
