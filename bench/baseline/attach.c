// Measures what attaching and detaching one device costs a C program. The program makes the same system calls as the
// engine (on /sys, VFIO, the mapped regions and the device-request interrupt) in the same boot.
//
// Usage: attach group GROUP DEVICE ROUNDS
//        attach cdev DEVICE /dev/vfio/devices/vfioN ROUNDS
//
// Prints one line of JSON: medians in nanoseconds.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
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
struct detach_pt {
  uint32_t argsz, flags;
};
struct ioas_alloc {
  uint32_t size, flags, out_ioas_id;
};
struct ioas_range {
  uint64_t start, last;
};
struct ioas_ranges {
  uint32_t size, ioas_id, num_iovas, reserved;
  uint64_t allowed_iovas, out_alignment;
};
struct iommu_destroy {
  uint32_t size, id;
};
struct hw_info {
  uint32_t size, flags, dev_id, data_len;
  uint64_t data_uptr;
  uint32_t type, reserved;
  uint64_t capabilities;
};
#define DEVICE_BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)
#define DEVICE_ATTACH_PT _IO(VFIO_TYPE, VFIO_BASE + 19)
#define DEVICE_DETACH_PT _IO(VFIO_TYPE, VFIO_BASE + 20)
#define IOMMUFD_DESTROY _IO(';', 0x80)
#define IOMMUFD_GET_HW_INFO _IO(';', 0x8a)
#define IOMMUFD_IOAS_ALLOC _IO(';', 0x81)
#define IOMMUFD_IOAS_RANGES _IO(';', 0x84)

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

static void folder_of(char* path, size_t size, const char* device) {
  snprintf(path, size, "/sys/bus/pci/devices/%s", device);
  check(access(path, F_OK), path);
}

static void read_reserved(const char* group) {
  char path[96], text[4096];
  snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%s/name", group);
  access(path, F_OK);
  snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%s/reserved_regions", group);
  check(access(path, F_OK), path);
  int file = check(open(path, O_RDONLY | O_CLOEXEC), path);
  while (check(read(file, text, sizeof(text)), path) > 0) continue;
  close(file);
}

// What stays open of a device that is attached.
struct held {
  void* mapped[VFIO_PCI_NUM_REGIONS];
  size_t sizes[VFIO_PCI_NUM_REGIONS];
  int files[VFIO_PCI_NUM_REGIONS];
  int request;
};

// A region that is mapped whole, and a descriptor for what is trapped.
static void open_region(int device, const struct vfio_region_info* region, struct held* held) {
  uint32_t i = region->index;
  if (i >= VFIO_PCI_NUM_REGIONS || region->size == 0) return;
  held->files[i] = check(fcntl(device, F_DUPFD_CLOEXEC, 0), "fcntl");
  if ((region->flags & VFIO_REGION_INFO_FLAG_MMAP) == 0) return;
  held->sizes[i] = region->size;
  held->mapped[i] = mmap(NULL, region->size, PROT_READ | PROT_WRITE, MAP_SHARED, device, region->offset);
  if (held->mapped[i] == MAP_FAILED) check(-1, "mmap");
}

static void arm_request(int device, struct held* held) {
  held->request = check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
  char room[sizeof(struct vfio_irq_set) + sizeof(int)];
  struct vfio_irq_set* set = (struct vfio_irq_set*)room;
  *set = (struct vfio_irq_set){.argsz = sizeof(room),
                               .index = VFIO_PCI_REQ_IRQ_INDEX,
                               .count = 1,
                               .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER};
  memcpy(set->data, &held->request, sizeof(int));
  check(ioctl(device, VFIO_DEVICE_SET_IRQS, set), "VFIO_DEVICE_SET_IRQS");
}

static void let_go(struct held* held) {
  close(held->request);
  for (int i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
    if (held->files[i] > 0) close(held->files[i]);
    if (held->mapped[i] != NULL) munmap(held->mapped[i], held->sizes[i]);
  }
}

// The questions that every attach asks of a device once it is open, and what the answers are for.
static struct held hold(int device) {
  struct held held = {0};
  struct vfio_device_info info = {.argsz = sizeof(info)};
  check(ioctl(device, VFIO_DEVICE_GET_INFO, &info), "VFIO_DEVICE_GET_INFO");
  if (info.flags & VFIO_DEVICE_FLAGS_RESET) check(ioctl(device, VFIO_DEVICE_RESET), "VFIO_DEVICE_RESET");
  for (uint32_t i = 0; i < info.num_regions; i++) {
    char room[1024];
    struct vfio_region_info* region = (struct vfio_region_info*)room;
    *region = (struct vfio_region_info){.argsz = sizeof(room), .index = i};
    if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, region) >= 0) open_region(device, region, &held);
    else if (errno != EINVAL) check(-1, "GET_REGION_INFO");
  }
  for (uint32_t i = 0; i < info.num_irqs; i++) {
    struct vfio_irq_info irq = {.argsz = sizeof(irq), .index = i};
    if (ioctl(device, VFIO_DEVICE_GET_IRQ_INFO, &irq) < 0 && errno != EINVAL) check(-1, "GET_IRQ_INFO");
  }
  arm_request(device, &held);
  return held;
}

struct times {
  uint64_t attach, detach;
};

static struct times by_group(const char* group_name, const char* device_name) {
  char path[96], folder[64], link[128];
  uint64_t start = now();
  folder_of(folder, sizeof(folder), device_name);
  snprintf(path, sizeof(path), "%s/iommu_group", folder);
  check(readlink(path, link, sizeof(link)), path);
  read_reserved(group_name);
  snprintf(path, sizeof(path), "/dev/vfio/%s", group_name);
  int container = check(open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC), "open(/dev/vfio/vfio)");
  check(ioctl(container, VFIO_GET_API_VERSION), "VFIO_GET_API_VERSION");
  check(ioctl(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU), "VFIO_CHECK_EXTENSION");
  int group = check(open(path, O_RDWR | O_CLOEXEC), path);
  struct vfio_group_status status = {.argsz = sizeof(status)};
  check(ioctl(group, VFIO_GROUP_GET_STATUS, &status), "VFIO_GROUP_GET_STATUS");
  check(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), "VFIO_GROUP_SET_CONTAINER");
  check(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), "VFIO_SET_IOMMU");
  char room[4096];
  struct vfio_iommu_type1_info* info = (struct vfio_iommu_type1_info*)room;
  *info = (struct vfio_iommu_type1_info){.argsz = sizeof(room)};
  check(ioctl(container, VFIO_IOMMU_GET_INFO, info), "VFIO_IOMMU_GET_INFO");
  int device = check(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, device_name), "VFIO_GROUP_GET_DEVICE_FD");
  struct held held = hold(device);
  uint64_t attached = now();
  let_go(&held);
  close(device);
  check(ioctl(group, VFIO_GROUP_UNSET_CONTAINER), "VFIO_GROUP_UNSET_CONTAINER");
  close(group);
  close(container);
  return (struct times){attached - start, now() - attached};
}

// The device's node is looked up as the engine does it; its name is the one that was given.
static void find_node(const char* device_name) {
  char folder[64], path[96];
  folder_of(folder, sizeof(folder), device_name);
  snprintf(path, sizeof(path), "%s/vfio-dev", folder);
  check(access(path, F_OK), path);
  DIR* entries = opendir(path);
  if (entries == NULL) check(-1, path);
  while (readdir(entries) != NULL) continue;
  closedir(entries);
}

static struct times by_cdev(const char* device_name, const char* path) {
  uint64_t start = now();
  find_node(device_name);
  int iommu = check(open("/dev/iommu", O_RDWR | O_CLOEXEC), "open(/dev/iommu)");
  int device = check(open(path, O_RDWR | O_CLOEXEC), path);
  struct bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommu};
  check(ioctl(device, DEVICE_BIND_IOMMUFD, &bind), "VFIO_DEVICE_BIND_IOMMUFD");
  struct ioas_alloc ioas = {.size = sizeof(ioas)};
  check(ioctl(iommu, IOMMUFD_IOAS_ALLOC, &ioas), "IOMMU_IOAS_ALLOC");
  char data[256];
  struct hw_info hw = {
      .size = sizeof(hw), .dev_id = bind.out_devid, .data_len = sizeof(data), .data_uptr = (uintptr_t)data};
  if (ioctl(iommu, IOMMUFD_GET_HW_INFO, &hw) < 0 && errno != EOPNOTSUPP) check(-1, "IOMMU_GET_HW_INFO");
  struct attach_pt attach = {.argsz = sizeof(attach), .pt_id = ioas.out_ioas_id};
  check(ioctl(device, DEVICE_ATTACH_PT, &attach), "VFIO_DEVICE_ATTACH_IOMMUFD_PT");
  struct ioas_range ranges[64];
  struct ioas_ranges get = {
      .size = sizeof(get), .ioas_id = ioas.out_ioas_id, .num_iovas = 64, .allowed_iovas = (uintptr_t)ranges};
  check(ioctl(iommu, IOMMUFD_IOAS_RANGES, &get), "IOMMU_IOAS_IOVA_RANGES");
  struct held held = hold(device);
  uint64_t attached = now();
  let_go(&held);
  struct detach_pt detach = {.argsz = sizeof(detach)};
  check(ioctl(device, DEVICE_DETACH_PT, &detach), "VFIO_DEVICE_DETACH_IOMMUFD_PT");
  struct iommu_destroy destroy = {.size = sizeof(destroy), .id = ioas.out_ioas_id};
  check(ioctl(iommu, IOMMUFD_DESTROY, &destroy), "IOMMU_DESTROY");
  close(device);
  close(iommu);
  return (struct times){attached - start, now() - attached};
}

static int ascending(const void* a, const void* b) {
  uint64_t left = *(const uint64_t*)a, right = *(const uint64_t*)b;
  return left < right ? -1 : left > right;
}

static uint64_t median(uint64_t* values, int count) {
  qsort(values, count, sizeof(*values), ascending);
  return values[count / 2];
}

int main(int argc, char** argv) {
  int group = argc == 5 && strcmp(argv[1], "group") == 0;
  int cdev = argc == 5 && strcmp(argv[1], "cdev") == 0;
  int rounds = group || cdev ? atoi(argv[4]) : 0;
  if (rounds < 1 || rounds > 10000) {
    fprintf(stderr, "usage: attach group GROUP DEVICE ROUNDS | attach cdev DEVICE PATH ROUNDS\n");
    return 2;
  }
  uint64_t *attach = calloc(rounds, sizeof(*attach)), *detach = calloc(rounds, sizeof(*detach));
  for (int i = 0; i < rounds; i++) {
    struct times times = group ? by_group(argv[2], argv[3]) : by_cdev(argv[2], argv[3]);
    attach[i] = times.attach;
    detach[i] = times.detach;
  }
  printf("{\"attach\":%llu,\"detach\":%llu,\"rounds\":%d}\n", (unsigned long long)median(attach, rounds),
         (unsigned long long)median(detach, rounds), rounds);
  free(attach);
  free(detach);
  return 0;
}
