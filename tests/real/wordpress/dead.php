<?php
// Ends when WordPress no longer takes a guest's nonce. Arguments: the site's folder, host:port, action, nonce, seconds.
$_SERVER['HTTP_HOST'] = $argv[2];
require "$argv[1]/wp-load.php";
// Named only now: WordPress uses such names itself.
[,,, $action, $nonce, $limit] = $argv;
for ($end = microtime(true) + (float) $limit; wp_verify_nonce($nonce, $action); usleep(20000)) {
    if (microtime(true) > $end) {
        fwrite(STDERR, "the nonce is still alive after $limit s");
        exit(1);
    }
}
