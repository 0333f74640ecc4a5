<?php
// pdo.php HOST PORT USER PASSWORD SCHEMA SCENARIO: the scenario by PHP's PDO, with
// statements that the server prepares, and with emulated ones.
[, $host, $port, $user, $password, $schema, $file] = $argv;

function show($v) {
    if (is_string($v) && strlen($v) > 200) { return 'string ' . strlen($v) . ' ' . md5($v); }
    return gettype($v) . ' ' . (is_string($v) ? addcslashes($v, "\0..\37\177..\377") : var_export($v, true));
}
function bind($s, $i, $p) {
    [$kind, $v] = explode(':', $p, 2);
    switch ($kind) {
        case 'i': return $s->bindValue($i, (int)$v, PDO::PARAM_INT);
        case 'd': return $s->bindValue($i, (float)$v);
        case 's': return $s->bindValue($i, $v, PDO::PARAM_STR);
        case 'x': return $s->bindValue($i, hex2bin($v), PDO::PARAM_LOB);
        case 'r': [$n, $c] = explode(':', $v); return $s->bindValue($i, str_repeat($c, (int)$n));
    }
    return $s->bindValue($i, null, PDO::PARAM_NULL);
}
function sets($db, $s) {
    do {
        $columns = $s->columnCount();
        for ($i = 0; $i < $columns; $i++) { echo '  column ', json_encode($s->getColumnMeta($i)), "\n"; }
        $n = 0;
        while ($columns && ($row = $s->fetch(PDO::FETCH_NUM))) {
            if ($n++ < 20) { echo '  ', implode(' | ', array_map('show', $row)), "\n"; }
        }
        echo "  $n rows, count {$s->rowCount()}, id {$db->lastInsertId()}\n";
        $more = $s->nextRowset();
    } while ($more);
}
foreach ([false, true] as $emulate) {
    echo "emulate ", var_export($emulate, true), "\n";
    $db = new PDO("mysql:host=$host;port=$port;dbname=$schema;charset=utf8mb4", $user, $password, [
        PDO::ATTR_EMULATE_PREPARES => $emulate, PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::MYSQL_ATTR_FOUND_ROWS => $emulate]);
    echo $db->getAttribute(PDO::ATTR_SERVER_VERSION), ' ', $db->getAttribute(PDO::ATTR_CONNECTION_STATUS), "\n";
    foreach (file($file, FILE_IGNORE_NEW_LINES) as $line) {
        if ($line === '' || $line[0] === '#') { continue; }
        $f = explode("\t", $line);
        echo $line, "\n";
        try {
            if ($f[0] === 'Q') {
                sets($db, $s = $db->query($f[1]));
                $s->closeCursor();
                continue;
            }
            $s = $db->prepare($f[1]);
            $all = array_slice($f, $f[0] === 'B' ? 3 : 2);
            $width = $f[0] === 'B' ? intdiv(count($all), (int)$f[2]) : max(1, count($all));
            foreach (array_chunk($all, $width) ?: [[]] as $values) {
                foreach ($values as $i => $p) { bind($s, $i + 1, $p); }
                try {
                    $s->execute();
                    sets($db, $s);
                } catch (PDOException $e) {
                    echo '  error ', json_encode($e->errorInfo), ' ', $e->getMessage(), "\n";
                }
            }
            $s->closeCursor();
        } catch (PDOException $e) {
            echo '  error ', json_encode($e->errorInfo), ' ', $e->getMessage(), "\n";
        }
    }
    $s = null;
    $db->exec('DROP PROCEDURE three');
    $db->exec('DROP FUNCTION twice');
    $db = null;
}
