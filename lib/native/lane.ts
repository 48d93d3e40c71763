/** Source: native/lane. The region path: the table of regions and the lanes that workers drain. */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- filled by the region path
export interface LaneAddon {}
