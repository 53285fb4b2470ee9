import { existsSync } from "node:fs";

const triplets: Readonly<Record<string, string>> = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" };

/** Environment of workers that makes freed memory go back to the system. glibc gives back only what lies at the end of its
 *  heap: after a busy minute a worker holds 37 MB for 4 MB in use (measured). jemalloc, where Debian's package is installed,
 *  gives all of it back; elsewhere glibc is at least kept from making an arena for each thread.
 *  `kerberos`: workers offer it. Its package would load the system's libraries so that they have glibc's allocator whatever is
 *  preloaded (RTLD_DEEPBIND), and frees what they allocate: with two allocators the worker crashes. What is loaded already is
 *  not loaded again, so these libraries are preloaded, too, behind the allocator. Debian's share no symbol with node, which is what
 *  RTLD_DEEPBIND is for; elsewhere, where there is none of that name, there is no jemalloc. */
export function allocatorEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  kerberos = false,
): Readonly<Record<string, string>> {
  const folder = `/usr/lib/${triplets[process.arch] ?? process.arch}`;
  const libraries = ["libjemalloc.so.2", ...(kerberos ? ["libgssapi_krb5.so.2"] : [])].map(
    (name) => `${folder}/${name}`,
  );
  const { LD_PRELOAD, MALLOC_CONF, MALLOC_ARENA_MAX } = environment;
  // An administrator who preloads something has reasons.
  if (LD_PRELOAD || !libraries.every((path) => existsSync(path))) return { MALLOC_ARENA_MAX: MALLOC_ARENA_MAX ?? "2" };
  return {
    LD_PRELOAD: libraries.join(":"),
    MALLOC_CONF: MALLOC_CONF ?? "dirty_decay_ms:1000,muzzy_decay_ms:0,narenas:2,background_thread:true",
  };
}
