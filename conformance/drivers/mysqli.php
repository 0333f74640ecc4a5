<?php
// mysqli.php HOST PORT USER PASSWORD SCHEMA SCENARIO: the scenario by PHP's mysqli.
[, $host, $port, $user, $password, $schema, $file] = $argv;
mysqli_report(MYSQLI_REPORT_OFF);
$db = mysqli_init();
if (!$db->real_connect($host, $user, $password, $schema, (int)$port)) { die("connect: " . mysqli_connect_error() . "\n"); }
$db->set_charset('utf8mb4');
echo 'protocol ', $db->protocol_version, ' server ', $db->server_info, ' stat ', strlen($db->stat()) > 0 ? 'yes' : 'no', "\n";

function show($v) {
    if (is_string($v) && strlen($v) > 200) { return 'string ' . strlen($v) . ' ' . md5($v); }
    return gettype($v) . ' ' . (is_string($v) ? addcslashes($v, "\0..\37\177..\377") : var_export($v, true));
}
function parameter($p) {
    [$kind, $v] = explode(':', $p, 2);
    switch ($kind) {
        case 'i': return (int)$v;
        case 'd': return (float)$v;
        case 's': return $v;
        case 'x': return hex2bin($v);
        case 'r': [$n, $c] = explode(':', $v); return str_repeat($c, (int)$n);
    }
    return null;
}
function rows($result) {
    foreach ($result->fetch_fields() as $f) {
        echo "  column {$f->name} {$f->orgname} {$f->table} {$f->orgtable} {$f->db} len {$f->length} cs {$f->charsetnr} flags {$f->flags} type {$f->type} dec {$f->decimals}\n";
    }
    $n = 0;
    while ($row = $result->fetch_row()) {
        if ($n++ < 20) { echo '  ', implode(' | ', array_map('show', $row)), "\n"; }
    }
    echo "  $n rows\n";
    $result->free();
}
function state($o, $db) {
    echo "  affected {$o->affected_rows} id {$o->insert_id} warnings {$db->warning_count} info " . show($db->info) . "\n";
}
function failure($o) { echo "  error {$o->errno} {$o->sqlstate} {$o->error}\n"; }

foreach (file($file, FILE_IGNORE_NEW_LINES) as $line) {
    if ($line === '' || $line[0] === '#') { continue; }
    $f = explode("\t", $line);
    echo $line, "\n";
    if ($f[0] === 'Q') {
        if (!$db->multi_query($f[1])) { failure($db); continue; }
        do {
            $result = $db->store_result();
            if ($result) { rows($result); } elseif ($db->errno) { failure($db); } else { state($db, $db); }
        } while ($db->more_results() && ($db->next_result() || failure($db)));
        continue;
    }
    $s = $db->prepare($f[1]);
    if (!$s) { failure($db); continue; }
    echo "  parameters {$s->param_count} columns {$s->field_count}\n";
    $all = array_map('parameter', array_slice($f, $f[0] === 'B' ? 3 : 2));
    foreach (array_chunk($all, max(1, $s->param_count)) ?: [[]] as $values) {
        if (!$s->execute($s->param_count ? $values : null)) { failure($s); continue; }
        do {
            $result = $s->get_result();
            if ($result) { rows($result); } elseif ($s->errno) { failure($s); } else { state($s, $db); }
        } while ($s->more_results() && $s->next_result());
    }
    $s->close();
}
echo 'change user ', var_export($db->change_user($user, $password, $schema), true), "\n";
$db->query('SELECT @x') && print("changed\n");
echo 'ping ', $db->query('SELECT 1') ? 'yes' : 'no', "\n";
$db->close();
