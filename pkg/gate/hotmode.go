package gate

import "fmt"

// HotMode is what is done about hot keys.
type HotMode uint8

// The modes.
const (
	HotOn     HotMode = iota // they have lanes; the default
	HotDryRun                // they are found and listed, and nobody waits
	HotOff                   // nobody looks for them
)

// String returns the mode's name.
func (m HotMode) String() string {
	switch m {
	case HotOn:
		return "on"
	case HotDryRun:
		return "dry-run"
	case HotOff:
		return "off"
	}
	return "unknown"
}

// MarshalText writes the mode's name.
func (m HotMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a mode's name.
func (m *HotMode) UnmarshalText(text []byte) (err error) {
	*m, err = ParseHotMode(string(text))
	return err
}

// ParseHotMode returns the mode of a name.
func ParseHotMode(name string) (HotMode, error) {
	for m := HotOn; m <= HotOff; m++ {
		if m.String() == name {
			return m, nil
		}
	}
	return HotOn, fmt.Errorf("hot keys: %q is not one of on, dry-run, off", name)
}
