package identity

import (
	"github.com/xivo-auth/xivo-auth/fault"
)

// Grants tells what somebody may hand out and take away (organisation.md section 7): nobody gives what they lack, nor
// lifts a prohibition of what they lack.
type Grants interface {
	MayAdd(access string) bool
	MayRemove(access string) bool
}

// mayAddAll is the refusal of the first access that may not be granted, or nil.
func mayAddAll(g Grants, accesses []string) error {
	for _, a := range accesses {
		if !g.MayAdd(a) {
			return refused(a)
		}
	}
	return nil
}

// mayRemoveAll is the refusal of the first access that may not be taken away, or nil.
func mayRemoveAll(g Grants, accesses []string) error {
	for _, a := range accesses {
		if !g.MayRemove(a) {
			return refused(a)
		}
	}
	return nil
}

// refused names the access, unless it is empty.
func refused(access string) error {
	details := map[string]any{}
	if access != "" {
		details["required_access"] = access
	}
	return fault.Modern(fault.Unauthenticated, "unauthorized", "", "Unauthorized", details)
}
