{
  "targets": [
    {
      "target_name": "memmap",
      # Sorted, so that the build does not depend on the order of a directory.
      "sources": [
        "native/addon.cc",
        "<!@(node -p \"['core','binding'].flatMap(d => fs.readdirSync('native/'+d).filter(f => f.endsWith('.cc')).sort().map(f => 'native/'+d+'/'+f)).join('\\n')\")"
      ],
      "include_dirs": ["native", "native/include", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": [
        "NAPI_VERSION=9",
        "NODE_ADDON_API_DISABLE_DEPRECATED",
        "NAPI_DISABLE_CPP_EXCEPTIONS",
        "_FILE_OFFSET_BITS=64",
        "_GNU_SOURCE"
      ],
      # What Node's own common.gypi sets and we set otherwise.
      "cflags!": ["-O3", "-fexceptions", "-Wno-unused-parameter"],
      "cflags_cc!": ["-O3", "-fexceptions", "-frtti", "-std=gnu++17", "-std=gnu++20"],
      "cflags": [
        "-O2",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Werror",
        "-fvisibility=hidden"
      ],
      "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti", "-fvisibility-inlines-hidden"],
      # nodelete: Node unloads an add-on that only a worker had loaded, and the guard's signal
      # handler would be gone with it.
      "ldflags": ["-Wl,-z,nodelete", "-Wl,-z,relro", "-Wl,-z,now"]
    }
  ]
}
