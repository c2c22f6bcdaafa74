<?php
// The configuration of the tests' WordPress; what differs from run to run lies beside its folder, in settings.json.
$settings = json_decode(file_get_contents(dirname(__DIR__) . '/settings.json'), true);
define('DB_NAME', 'wordpress');
define('DB_USER', 'wordpress');
define('DB_PASSWORD', $settings['password']);
define('DB_HOST', 'localhost:' . $settings['socket']);
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
// Known, and of the tests alone: with them a nonce can be computed.
foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $kind) {
    define("{$kind}_KEY", "$kind key of doorkey's tests, and of nothing else");
    define("{$kind}_SALT", "$kind salt of doorkey's tests, and of nothing else");
}
// The same site directly and behind the page cache.
define('WP_HOME', 'http://' . $_SERVER['HTTP_HOST']);
define('WP_SITEURL', 'http://' . $_SERVER['HTTP_HOST']);
define('WP_DEFAULT_THEME', 'twentytwentyone');
define('DISABLE_WP_CRON', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('WP_HTTP_BLOCK_EXTERNAL', true);
$table_prefix = 'wp_';
if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
