// What mapping and unmapping memory for a device costs a C program, in the same boot and on the same pages as the
// engine's: a memfd that the caller opened, as descriptor 3.
// Usage: map group GROUP DEVICE SIZE ROUNDS PIECES | map cdev /dev/vfio/devices/vfioN SIZE ROUNDS PIECES
// Several pieces are every second one of the memory, one after the other in the IOVAs, and go by one call.
// Prints the mean of one map with its unmap, in nanoseconds, of a piece.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

// Headers of Linux 6.1 have no cdev interface yet; numbers of linux/vfio.h and linux/iommufd.h (6.12).
struct bind_iommufd {
  uint32_t argsz, flags;
  int32_t iommufd;
  uint32_t out_devid;
};
struct attach_pt {
  uint32_t argsz, flags, pt_id;
};
struct ioas_alloc {
  uint32_t size, flags, out_ioas_id;
};
struct ioas_map {
  uint32_t size, flags, ioas_id, reserved;
  uint64_t user_va, length, iova;
};
struct ioas_unmap {
  uint32_t size, ioas_id;
  uint64_t iova, length;
};
#define DEVICE_BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)
#define DEVICE_ATTACH_PT _IO(VFIO_TYPE, VFIO_BASE + 19)
#define IOMMUFD_IOAS_ALLOC _IO(';', 0x81)
#define IOMMUFD_IOAS_MAP _IO(';', 0x85)
#define IOMMUFD_IOAS_UNMAP _IO(';', 0x86)
#define IOAS_MAP_FIXED_READ_WRITE 7

#define MEMORY_FD 3
#define IOVA (64ull << 20)

// What is open; the kernel closes all of it when the program ends.
static int container = -1, iommufd = -1;
static uint32_t ioas_id;

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

static int check(int result, const char* call) {
  if (result >= 0) return result;
  fprintf(stderr, "%s: %s\n", call, strerror(errno));
  exit(1);
}

static void open_group(const char* group_name, const char* device_name) {
  char path[64];
  snprintf(path, sizeof(path), "/dev/vfio/%s", group_name);
  container = check(open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC), "open(/dev/vfio/vfio)");
  int group = check(open(path, O_RDWR | O_CLOEXEC), path);
  check(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), "VFIO_GROUP_SET_CONTAINER");
  check(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), "VFIO_SET_IOMMU");
  check(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, device_name), "VFIO_GROUP_GET_DEVICE_FD");
}

static void open_cdev(const char* path) {
  iommufd = check(open("/dev/iommu", O_RDWR | O_CLOEXEC), "open(/dev/iommu)");
  int device = check(open(path, O_RDWR | O_CLOEXEC), path);
  struct bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommufd};
  check(ioctl(device, DEVICE_BIND_IOMMUFD, &bind), "VFIO_DEVICE_BIND_IOMMUFD");
  struct ioas_alloc alloc = {.size = sizeof(alloc)};
  check(ioctl(iommufd, IOMMUFD_IOAS_ALLOC, &alloc), "IOMMU_IOAS_ALLOC");
  ioas_id = alloc.out_ioas_id;
  struct attach_pt attach = {.argsz = sizeof(attach), .pt_id = ioas_id};
  check(ioctl(device, DEVICE_ATTACH_PT, &attach), "VFIO_DEVICE_ATTACH_IOMMUFD_PT");
}

static void map(uintptr_t vaddr, uint64_t iova, uint64_t size) {
  if (container >= 0) {
    struct vfio_iommu_type1_dma_map map = {sizeof(map), VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE, vaddr, iova,
                                           size};
    check(ioctl(container, VFIO_IOMMU_MAP_DMA, &map), "VFIO_IOMMU_MAP_DMA");
    return;
  }
  struct ioas_map map = {sizeof(map), IOAS_MAP_FIXED_READ_WRITE, ioas_id, 0, vaddr, size, iova};
  check(ioctl(iommufd, IOMMUFD_IOAS_MAP, &map), "IOMMU_IOAS_MAP");
}

static void unmap(uint64_t iova, uint64_t size) {
  if (container >= 0) {
    struct vfio_iommu_type1_dma_unmap unmap = {.argsz = sizeof(unmap), .iova = iova, .size = size};
    check(ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap), "VFIO_IOMMU_UNMAP_DMA");
    return;
  }
  struct ioas_unmap unmap = {sizeof(unmap), ioas_id, iova, size};
  check(ioctl(iommufd, IOMMUFD_IOAS_UNMAP, &unmap), "IOMMU_IOAS_UNMAP");
}

static void map_and_unmap(uintptr_t memory, uint64_t size, int pieces) {
  for (int i = 0; i < pieces; i++) map(memory + 2 * i * size, IOVA + i * size, size);
  unmap(IOVA, pieces * size);
}

int main(int argc, char** argv) {
  int by_group = argc == 7 && strcmp(argv[1], "group") == 0;
  int by_cdev = argc == 6 && strcmp(argv[1], "cdev") == 0;
  uint64_t size = by_group || by_cdev ? strtoull(argv[argc - 3], NULL, 10) : 0;
  int rounds = by_group || by_cdev ? atoi(argv[argc - 2]) : 0;
  int pieces = by_group || by_cdev ? atoi(argv[argc - 1]) : 0;
  if (size == 0 || rounds < 1 || pieces < 1) {
    fprintf(stderr,
            "usage: map group GROUP DEVICE SIZE ROUNDS PIECES | map cdev PATH SIZE ROUNDS PIECES, a memfd as "
            "descriptor 3\n");
    return 2;
  }
  if (by_group) open_group(argv[2], argv[3]);
  else open_cdev(argv[2]);
  // Populated: the engine's process has touched its pages too.
  void* memory = mmap(NULL, (2 * pieces - 1) * size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, MEMORY_FD, 0);
  check(memory == MAP_FAILED ? -1 : 0, "mmap");
  for (int i = 0; i < (rounds + 9) / 10; i++) map_and_unmap((uintptr_t)memory, size, pieces);
  uint64_t start = now();
  for (int i = 0; i < rounds; i++) map_and_unmap((uintptr_t)memory, size, pieces);
  printf("%llu\n", (unsigned long long)((now() - start) / rounds / pieces));
  return 0;
}
