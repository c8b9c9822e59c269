package ldap

import (
	"sync"

	"github.com/google/uuid"
)

// Logins that may be at their servers at a time: more of one tenant, or of all, are refused at once.
const (
	maxLoginsOfTenant = 64
	maxLogins         = 512
)

// gate counts logins on their way.
type gate struct {
	mu       sync.Mutex
	all      int
	ofTenant map[uuid.UUID]int
}

// enter is false if there are too many; else leave must be called.
func (g *gate) enter(tenant uuid.UUID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all >= maxLogins || g.ofTenant[tenant] >= maxLoginsOfTenant {
		return false
	}
	if g.ofTenant == nil {
		g.ofTenant = map[uuid.UUID]int{}
	}
	g.all++
	g.ofTenant[tenant]++
	return true
}

func (g *gate) leave(tenant uuid.UUID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all--
	if g.ofTenant[tenant]--; g.ofTenant[tenant] == 0 {
		delete(g.ofTenant, tenant)
	}
}
