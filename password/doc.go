// Package password owns how passwords are kept: it makes argon2id hashes, verifies them and the PBKDF2-HMAC-SHA512
// hashes that come from wazo-auth, and says which of them are to be made anew at a good login.
//
// A hash is made to be expensive, so the package also owns how many run at a time: a [Hasher] lets a fixed number of them
// run, a fixed number wait, and refuses the rest with [ErrBusy]. On a machine with two cores, two hashes at a time are
// enough to make every check of a token slow. Stored hashes are read with bounds on their cost: one that was imported
// with absurd parameters is an error and not an outage.
//
// The package knows no users and no database, and it never logs. No error of it holds a password or a hash.
//
// One difference in time is left, and it goes away by itself: a hash that came from wazo-auth takes as long as PBKDF2
// takes, until its user's first login here replaces it.
package password
