/** Raised when the API changes incompatibly; clients and servers one apart work together. No imports here: clients load it at start. */
export const apiVersion = 1
