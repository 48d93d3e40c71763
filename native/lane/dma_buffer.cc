#include "lane/dma_buffer.h"

namespace vfio_engine {

HandleTable<DmaBuffer>& DmaBuffers() {
  // Never destroyed: threads may still run while the process exits.
  static auto* table = new HandleTable<DmaBuffer>();
  return *table;
}

}  // namespace vfio_engine
