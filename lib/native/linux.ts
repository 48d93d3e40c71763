/** Source: native/linux. One function a system call of the container, group, device and iommufd interfaces. */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- filled by the linux kernel
export interface LinuxAddon {}
