<?php
// Writes what WordPress makes of actions, users, sessions and lives into a JSON file. Arguments: the site's folder,
// host:port, the file, and a JSON list of {action, uid, session_token, nonce_life}.
$_SERVER['HTTP_HOST'] = $argv[2];
require "$argv[1]/wp-load.php";
// Named only now: WordPress uses such names itself.
[,,, $file, $wanted] = $argv;
$made = [];
foreach (json_decode($wanted, true) as $asked) {
    remove_all_filters('nonce_life');
    add_filter('nonce_life', fn () => $asked['nonce_life']);
    wp_set_current_user($asked['uid']);
    $_COOKIE[LOGGED_IN_COOKIE] = "ada|2000000000|{$asked['session_token']}|hmac";
    do {
        // Within one second, so that `time` and the nonce are of one tick.
        $time = time();
        $nonce = wp_create_nonce($asked['action']);
    } while ($time !== time());
    $made[] = ['salt' => wp_salt('nonce')] + $asked + ['time' => $time, 'nonce' => $nonce];
}
file_put_contents($file, json_encode($made));
