<?php
// Ends when WordPress no longer takes a guest's nonce. Arguments: the site's folder, host:port, action, nonce, seconds.
[, $site, $_SERVER['HTTP_HOST'], $action, $nonce, $limit] = $argv;
require "$site/wp-load.php";
for ($end = microtime(true) + (float) $limit; wp_verify_nonce($nonce, $action); usleep(20000)) {
    if (microtime(true) > $end) {
        fwrite(STDERR, "the nonce is still alive after $limit s");
        exit(1);
    }
}
