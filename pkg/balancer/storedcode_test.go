package balancer

import "testing"

func TestReachesStoredCode(t *testing.T) {
	for _, tt := range []struct {
		text string
		want bool
	}{
		{"SELECT $$", false},
		{"select 'its", false},
		{" /* x */ SELECT @a := 1 +", false},
		{"SELECT 1 INTO", false},
		{"SELECT $$, f()", true}, // $$ is a name where there is no text in dollars
		{"SELECT f ()", true},
		{"SELECT $$; CALL p", true},
		{"SELECT $$ FROM v", true},
		{"SELECT 1 UNION TABLE v", true},
		{"SELECT 1 /*!from*/ v", true},
		{"(SELECT $$", false},
		{"CALL p", true},
		{"EXECUTE s", true},
		{"EXECUTE IMMEDIATE 'x'", true},
		{"PREPARE s", true}, // another one of this name is gone even so
		{"BEGIN NOT ATOMIC", true},
		{"/*!50000 SELECT */ $$", true},
		{"WITH c", true},
		{"", true},
	} {
		if got := ReachesStoredCode([]byte(tt.text)); got != tt.want {
			t.Errorf("%q: got %v", tt.text, got)
		}
	}
}
