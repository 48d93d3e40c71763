{
  "targets": [
    {
      "target_name": "vfio_engine",
      "sources": [
        "addon.cc",
        "<!@(node -p \"require('fs').readdirSync('.', {withFileTypes: true}).filter(d => d.isDirectory() && d.name !== 'build').flatMap(d => require('fs').readdirSync(d.name).filter(f => f.endsWith('.cc')).map(f => d.name + '/' + f)).join(' ')\")"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")", "."],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_DEPRECATED", "NODE_ADDON_API_REQUIRE_BASIC_FINALIZERS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti"],
      "cflags_cc": ["-fexceptions", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-cast-function-type", "-O2", "-fvisibility=hidden"],
      # Resolves all symbols in dlopen. By default, the first call of a missing one ends the process.
      "ldflags": ["-Wl,-z,now"]
    }
  ]
}
