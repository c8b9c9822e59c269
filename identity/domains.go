package identity

import "strings"

// DomainPattern is the contract's expression for the names of domains, which clients are shown (organisation.md section 3.3).
// DomainName decides; the two agree but for what the reference cannot store.
const DomainPattern = `^(?=.{1,253}\.?$)(?:(?!(-|_)|[^.]+_)[A-Za-z0-9-_]{1,}(?<!-)(?:\.|$)){2,63}$`

// DomainName tells whether a text is the name of a domain: 2 to 63 labels of ASCII letters, digits and inner dashes, 253
// characters at most, one final dot included.
func DomainName(s string) bool {
	if len(s) > 253 {
		return false
	}
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	if len(labels) < 2 || len(labels) > 63 {
		return false
	}
	for _, l := range labels {
		if l == "" || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
		for i := range len(l) {
			if b := l[i]; b != '-' && (b < '0' || b > '9') && (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') {
				return false
			}
		}
	}
	return true
}
