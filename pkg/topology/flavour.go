package topology

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Flavour is the kind of server. Its zero value is FlavourUnknown. The GTIDs of
// two flavours do not mix, so a ring has one.
type Flavour uint8

// The flavours.
const (
	FlavourUnknown Flavour = iota
	FlavourMariaDB
	FlavourMySQL
)

var flavourNames = [...]string{"unknown", "mariadb", "mysql"}

func (f Flavour) String() string { return enumName(flavourNames[:], int(f)) }

// MarshalText writes the flavour's name.
func (f Flavour) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads a flavour's name.
func (f *Flavour) UnmarshalText(text []byte) error { return enumParse(flavourNames[:], text, f) }

// ServerVersion is a server's release. The zero value is "not known".
type ServerVersion struct {
	Flavour Flavour `json:"flavour"`
	Major   int     `json:"major"`
	Minor   int     `json:"minor"`
	Patch   int     `json:"patch"`
}

// ParseVersion reads the text of @@version or of a greeting packet: for example
// "10.11.19-MariaDB-0+deb12u1", "5.5.5-10.11.19-MariaDB" (the prefix that MariaDB
// 10 puts into its greeting) or "9.7.4-2".
func ParseVersion(text string) (ServerVersion, error) {
	v := ServerVersion{Flavour: FlavourMySQL}
	rest := text
	if strings.Contains(text, "MariaDB") {
		v.Flavour = FlavourMariaDB
		rest = strings.TrimPrefix(rest, "5.5.5-")
	}
	number, _, _ := strings.Cut(rest, "-")
	parts := strings.Split(number, ".")
	if len(parts) != 3 {
		return ServerVersion{}, fmt.Errorf("server version %q is not of the form major.minor.patch", text)
	}
	for i, field := range []*int{&v.Major, &v.Minor, &v.Patch} {
		n, err := strconv.Atoi(parts[i])
		if err != nil || n < 0 {
			return ServerVersion{}, fmt.Errorf("server version %q is not of the form major.minor.patch", text)
		}
		*field = n
	}
	return v, nil
}

// String returns for example "mariadb 10.11.19".
func (v ServerVersion) String() string {
	return fmt.Sprintf("%s %d.%d.%d", v.Flavour, v.Major, v.Minor, v.Patch)
}

// Series returns the release series that a ring may not mix, "mariadb 10.11".
func (v ServerVersion) Series() string {
	return fmt.Sprintf("%s %d.%d", v.Flavour, v.Major, v.Minor)
}

// fitsRing reports whether a ring can be made of servers of that release.
func (v ServerVersion) fitsRing() bool {
	switch v.Flavour {
	case FlavourMariaDB:
		return v.AtLeast(10, 5, 0)
	case FlavourMySQL:
		return v.AtLeast(8, 0, 26) // the words source and replica
	case FlavourUnknown:
	}
	return false
}

// AtLeast reports whether v is that release of its flavour, or a later one.
func (v ServerVersion) AtLeast(major, minor, patch int) bool {
	return cmp.Or(cmp.Compare(v.Major, major), cmp.Compare(v.Minor, minor), cmp.Compare(v.Patch, patch)) >= 0
}

// Unfollow returns the statements that end following, for people.
func (v ServerVersion) Unfollow() string {
	if v.Flavour == FlavourMySQL {
		return "STOP REPLICA; RESET REPLICA ALL"
	}
	return "STOP SLAVE; RESET SLAVE ALL"
}

// Section returns the name of the server's part of a config file.
func (v ServerVersion) Section() string {
	if v.Flavour == FlavourMySQL {
		return "mysqld"
	}
	return "mariadbd"
}

// enumName and enumParse serve every closed enum of the package: a value out of
// range prints as "unknown", a name that is not in the list is an error.
func enumName(names []string, i int) string {
	if i < 0 || i >= len(names) {
		return "unknown"
	}
	return names[i]
}

func enumParse[T ~uint8](names []string, text []byte, into *T) error {
	for i, name := range names {
		if name == string(text) {
			*into = T(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not one of %s", text, strings.Join(names, ", "))
}
