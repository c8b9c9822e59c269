// Package config owns what an operator can set: one struct per process
// ([API], [Worker], [Tool]), composed of shared pieces, with the names of
// wazo-auth's own keys, so that its files are read as they are.
//
// The environment wins over the files, the files win over the built-in values
// ([DefaultAPI] and its siblings). A field carries its key (`yaml`), its
// variable (`env`), its bounds (`range`, `oneof`) and its description (`doc`);
// the loader, the -help listing and docs/configuration.md are all made from
// these tags, so they cannot disagree. All problems of one start are reported
// together, each by variable and key, never with the value of a secret.
//
// The package reads no other file than the configuration's and opens no
// connection: what a key means is the business of the room that receives it.
package config
