// Reads the memory and the programs that JavaScript passes. Thread: a JavaScript thread, for all functions of this
// file.
#pragma once

#include <memory>

#include "common/args.h"
#include "lane/dma_buffer.h"

namespace vfio_engine {

// A SharedArrayBuffer. The result keeps its memory alive.
std::shared_ptr<DmaBuffer> ArgSharedBuffer(const Napi::CallbackInfo& info, size_t index);

// A program: a buffer of slots that has a reach of its own. JavaScript holds it as an external.
using ProgramHandle = Napi::External<std::shared_ptr<DmaBuffer>>;
Napi::Value NewProgram(Napi::Env env, std::shared_ptr<DmaBuffer> program);
const std::shared_ptr<DmaBuffer>& ArgProgram(const Napi::CallbackInfo& info, size_t index);

}  // namespace vfio_engine
