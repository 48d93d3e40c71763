/**
 * For the author of a device model: the model's interface, and functions that host a model.
 *
 * @module vfio-engine/model
 */
export { serveModel, type ServedModel, type ServeOptions } from './hosting/serve-model.js';
export { startModel, type HostedModel, type HostOptions } from './hosting/start-model.js';
export type { ModelDescription } from './hosting/model-description.js';
export type { ModelSpec } from './hosting/model-module.js';
export type { BarLayout, BarOffset, ModelHost, ModelInstance, PciIdentity, PciModel } from './pci-model.js';
