package process

import (
	"log/slog"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/seal"
)

// Keyring is what seals secrets in the database: the configured keys, or one made in stateDir once.
func Keyring(cfg config.Sealing, stateDir string, log *slog.Logger) (*seal.Keyring, error) {
	if len(cfg.SealingKeys) > 0 {
		keys := make([]seal.Key, len(cfg.SealingKeys))
		for i, k := range cfg.SealingKeys {
			keys[i] = seal.Key{ID: k.ID, Secret: k.Key}
		}
		return seal.New(keys)
	}
	ring, _, err := seal.LoadOrCreate(stateDir)
	if err == nil {
		log.Warn("no sealing_keys are configured: using the key in state_dir; several hosts must share one", "state_dir", stateDir)
	}
	return ring, err
}
