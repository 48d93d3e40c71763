{
  "targets": [
    {
      "target_name": "vfio_engine_baseline",
      "sources": ["<!@(node -p \"require('fs').readdirSync('.').filter(f => f.endsWith('.cc')).join(' ')\")"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")", ".", "../../native"],
      "defines": ["NAPI_VERSION=8"],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions"],
      "cflags_cc": ["-fexceptions", "-O2", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-cast-function-type"]
    },
    {
      "target_name": "attach",
      "type": "executable",
      "sources": ["attach.c"],
      "cflags": ["-O2", "-Wall", "-Wextra"]
    },
    {
      "target_name": "map",
      "type": "executable",
      "sources": ["map.c"],
      "cflags": ["-O2", "-Wall", "-Wextra"]
    }
  ]
}
