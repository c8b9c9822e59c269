// Package activities owns what workflows do to the world: one struct of dependencies per workflow, one method per
// activity. Every activity may be called any number of times with the same effect, because Temporal calls it again
// whenever it cannot know that it was done. What the activities need is declared here as small interfaces; the service
// of package token has it.
package activities
